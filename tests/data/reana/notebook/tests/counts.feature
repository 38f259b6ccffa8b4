Feature: The notebook runs to its end

    Scenario: Every cell ran
        When the workflow is finished
        Then the job logs for the step "notebook" should contain "cell 3"
        And the job logs should contain "total"

    Scenario: The counts are written
        When the workflow is finished
        Then the workspace should contain "results/counts.csv"
