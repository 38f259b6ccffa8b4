Feature: The peak is found

    Toys are made of a peak and a background, and a fit finds the peak again.

    Background:
        When the workflow is finished

    Scenario: All outputs are there
        Then all the outputs should be included in the workspace
        And the size of the file "results/toys.root" should be between 1 KiB and 100 KiB

    Scenario Outline: The step <step> says what it did
        Then the job logs for the "<step>" step should contain "<words>"

        Examples:
            | step | words                |
            | toys | written: 2000 events |
            | fit  | peak at the Z        |

    Scenario: The fit is written
        Then the file "results/fit.txt" should contain
            """
            entries 2000
            peak at the Z
            """
        And the workflow run duration should be less than 10 minutes
        And the duration of the step "fit" should be less than 5 minutes
