Feature: Selected tracks are counted

    Scenario: The summary has the right numbers
        When the workflow is finished
        Then the file "results/summary.json" should contain "{"minus": 2, "plus": 3}"
        And the sha256 checksum of the file "results/summary.json" should be "b60305187cfeac344e6b45cd153f49b0cccd469993cfff2bce3ff8ea9a939d1b"

    Scenario: Inputs are kept and nothing else is made
        When the workflow execution completes
        Then the workspace should include "data/tracks.csv"
        And the workspace should not include results/plot.png
        And the workspace size should be less than 5 MiB

    Scenario: Each selection says what it kept
        When the workflow status is "finished"
        Then the job logs should contain "plus: kept 3 of 4 tracks"
        And the logs should contain "minus: kept 2 of 3 tracks"
