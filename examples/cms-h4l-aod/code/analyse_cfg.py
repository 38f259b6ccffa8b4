# cmsRun analyse_cfg.py URI MASK EVENTS OUTPUT   (Python 2.6, CMSSW_5_3_32)
#
# Runs the public analyzer on one file. MASK is a list of validated runs, or "none" for simulated
# events, which need none. The analyzer reads no calibrations: no global tag is loaded.
import sys

import FWCore.ParameterSet.Config as cms  # noqa: N813 - as everybody writes it
from FWCore.PythonUtilities import LumiList

uri, mask, events, output = sys.argv[-4:]

process = cms.Process("Demo")
process.load("FWCore.MessageLogger.MessageLogger_cfi")
process.MessageLogger.cerr.FwkReport.reportEvery = 1000
process.maxEvents = cms.untracked.PSet(input=cms.untracked.int32(int(events)))
process.source = cms.Source("PoolSource", fileNames=cms.untracked.vstring(uri))
if mask != "none":
    validated = LumiList.LumiList(filename=mask).getCMSSWString().split(",")
    process.source.lumisToProcess = cms.untracked.VLuminosityBlockRange(*validated)
process.demo = cms.EDAnalyzer("HiggsDemoAnalyzerGit")
process.TFileService = cms.Service("TFileService", fileName=cms.string(output))
process.path = cms.Path(process.demo)
