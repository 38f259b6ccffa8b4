# build.sh ANALYZER OUTPUT: a CMSSW area with the analyzer built in it, as an archive.
set -e
analyzer=$PWD/$1 output=$PWD/$2
source /opt/cms/cmsset_default.sh
work=$(mktemp -d)
cd "$work"
scramv1 project CMSSW CMSSW_5_3_32
cd CMSSW_5_3_32/src
tar xzf "$analyzer" --strip-components=1
eval "$(scramv1 runtime -sh)"
cd HiggsExample20112012/HiggsDemoAnalyzer
scram b
cd "$work"
tar czf "$output" CMSSW_5_3_32
