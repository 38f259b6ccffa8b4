# analyse.sh AREA CONFIGURATION URI MASK EVENTS OUTPUT: one AOD file to one file of histograms.
set -e
area=$PWD/$1 configuration=$PWD/$2 uri=$3 mask=$4 events=$5 output=$PWD/$6
source /opt/cms/cmsset_default.sh
work=$(mktemp -d)
cd "$work"
tar xzf "$area"
cd CMSSW_5_3_32/src
scram b ProjectRename  # the area was built in another place
eval "$(scramv1 runtime -sh)"
cmsRun "$configuration" "$uri" "$mask" "$events" "$work/histograms.root"
mv "$work/histograms.root" "$output"
