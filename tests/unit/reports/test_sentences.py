"""The states that the reports name."""

from fixtures import states as all_states
from reports import sentences


def test_the_states_that_reports_name_exist() -> None:
    known = set(all_states.names())
    assert {state for state, _ in sentences.MILESTONES} <= known
    assert {"data_copied", "final_data_copied", "files_copied", "final_files_copied", "accepted", "backed_out"} <= known
