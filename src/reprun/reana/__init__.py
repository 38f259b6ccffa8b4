"""REANA: an analysis as a REANA project, sent to a cluster, and the verdict on what comes back.

`project` writes the files, `environment` and `driver` hold reana-client, `client` is the one
module that talks to it, `submission` is what is remembered, `submit` joins them.
"""
