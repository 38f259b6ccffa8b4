"""Archives and trees: wheels, packages and layers as lists of files with their bytes."""
