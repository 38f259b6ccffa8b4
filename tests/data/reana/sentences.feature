# language: en
# Every sentence once as it holds and once as it does not, for the run of tests/reana_evidence.py.

@all
Feature: Every sentence

    As a reader of feature files,
    I want each sentence to be held against the run.

    Background: The run is over
        When the workflow execution completes

    Scenario: holds: status
        Then the workflow should be finished
        And the workflow status should be "finished"

    Scenario: wrong: status
        Then the workflow status should be "failed"

    Scenario: skipped: another status
        When the workflow is failed
        Then the workspace should include "nothing"

    Scenario: skipped: another status in quotes
        When the workflow status is "stopped"
        Then the workspace should include "nothing"

    Scenario: holds: outputs
        Then the outputs should be included in the workspace
        And all the outputs should be included in the workspace

    Scenario: holds: files that are there
        Then the workspace should include "plot.png"
        And the workspace should contain "data/a.txt"
        And data/a.txt should be in the workspace
        And the workspace should include "data"

    Scenario: wrong: a file that is not there
        Then the workspace should contain "plot.pdf"

    Scenario: wrong: another file that is not there
        Then plot.pdf should be in the workspace

    Scenario: holds: files that are not there
        Then the workspace should not include plot.pdf
        And the workspace should not contain data/b.txt
        But plot.pdf should not be in the workspace

    Scenario: wrong: a file that is there
        Then the workspace should not include plot.png

    Scenario: holds: logs
        Then the logs should contain "CONVERGED"
        And the job logs should contain "MIGRAD has"
        And the job logs for the step "fit" should contain "CONVERGED."
        And the job logs for the fit step should contain "CONVERGED."
        And THE JOB LOGS should contain "(a0,a1)"

    @several @tags
    Scenario: holds: several lines
        Then the job logs for the "make" step should contain
            """
            variables
            ---------
            (a0,a1)
            """

    Scenario: wrong: several lines with other indentation
        Then the job logs for the "make" step should contain
            """
            variables
              ---------
            """

    Scenario: wrong: logs
        Then the logs should contain "DIVERGED"

    Scenario: wrong: case
        Then the job logs should contain "converged"

    Scenario: wrong: the log of another step
        Then the job logs for the step "make" should contain "CONVERGED"

    Scenario: wrong: no such step
        Then the job logs for the step "draw" should contain "CONVERGED"

    Scenario: holds: content
        Then the file "data/a.txt" should include "words"
        And the file data/a.txt should contain "some"
        And the file "data/a.txt" should contain
            ```
            some
            words
            ```

    Scenario: wrong: content
        Then the file "data/a.txt" should contain "numbers"

    Scenario: wrong: content of no file
        Then the file "data/b.txt" should contain "words"

    Scenario Outline: <what>: checksum <method>
        Then the <method> checksum of the file "data/a.txt" should be "<sum>"

        Examples: as they are
            | what  | method  | sum                                                              |
            | holds | md5     | 9bf90d28929c0e3eff476fb8a12884d4                                 |
            | holds | sha256  | d0b43acaab06d6463d7ba2097f68f072e29db2df9c5aa1e9c3101dc1d5a06956 |
            | holds | adler32 | 0x196e03f8                                                          |

        Examples: others
            | what  | method  | sum                              |
            | wrong | md5     | d41d8cd98f00b204e9800998ecf8427e |
            | wrong | adler32 | 1                                |
            | wrong | crc32   | 1                                |

    Scenario: holds: durations
        Then the workflow run duration should be less than 3.5 minutes
        And the duration of the step "fit" should be less than "2.5" minutes

    Scenario: wrong: duration
        Then the workflow run duration should be less than 3 minutes

    Scenario: wrong: duration of a step
        Then the duration of the step fit should be less than 1 minutes

    Scenario: wrong: duration of no step
        Then the duration of the step draw should be less than 1 minutes

    Scenario: wrong: duration that is no number
        Then the workflow run duration should be less than many minutes

    Rule: Sizes are read in binary units

        Background:
            When the workflow is "finished"

        Scenario: holds: sizes
            Then the size of the file "plot.png" should be exactly 2048
            And the size of the file plot.png should be exactly 2 KiB
            And the size of the file "./plot.png" should be exactly 2048 bytes
            And the size of the file "plot.png" should be between 3KiB and 1.5 KiB
            And the workspace size should be more than 1KiB
            And the workspace size should be less than 1 GiB

        Scenario: wrong: size
            Then the size of the file "plot.png" should be exactly 2049

        Scenario: wrong: unit
            Then the size of the file "plot.png" should be exactly 2 KB

        Scenario: wrong: between
            Then the size of the file "plot.png" should be between 1 and 2

        Scenario: wrong: size of no file
            Then the size of the file "plot.pdf" should be exactly 2048

        Scenario: wrong: workspace
            Then the workspace size should be less than 1 KiB

        Scenario: wrong: small workspace
            Then the workspace size should be more than 1 TiB

        # A comment, and an old word for a scenario.
        Example: holds: examples are scenarios
            Then the workflow should be finished
