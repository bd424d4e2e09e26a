"""Fixtures of the process tests."""
import pytest

pytest.register_assert_rewrite("harness")

from harness import OCMLUA, Folder  # noqa: E402

# Faults that are known and not yet mended: parts of the ids of the tests that show them.
KNOWN = [
    "test_declaration.py::test_problem_is_said_with_line_key_and_what_was_expected[inputRepository = { types = { ",
    "test_declaration.py::test_script_without_a_declaration_is_reported[coroutine.yield()",
    "test_command_line.py::test_capabilities_that_cannot_be_written_are_an_error",
    "test_command_line.py::test_linked_",
    "test_dispatch.py::test_repository_is_learnt_from_an_identity_that_another_capability_answers",
    "test_dispatch.py::test_remembered_repository_is_not_changed_by_what_handlers_do_to_theirs",
    "test_dispatch.py::test_repository_of_a_get_cannot_come_from_its_query",
    "test_handlers.py::test_credentials_that_a_handler_logs_or_fails_with_are_hidden",
    "test_script_api.py::test_failed_start_is_announced_and_answers_everything",
    'test_script_api.py::test_limits_are_accepted_up_to_their_bounds[body = "1 TiB"]',
    'test_files.py::test_source_and_target_are_a_path_a_location_or_a_tempfile[',
    "test_log.py::test_misuse_of_the_log_is_raised_where_it_happens[ocm.log.info('m', { 1 })",
    "test_log.py::test_failed_request_is_logged_with_its_traceback",
    "test_log.py::test_answer_that_breaks_the_contract_is_logged_as_an_error",
]


def pytest_collection_modifyitems(items):
    for item in items:
        if any(known in item.nodeid for known in KNOWN):
            item.add_marker(pytest.mark.xfail(reason="a known fault"))


def pytest_sessionstart():
    if not OCMLUA.exists():
        pytest.exit(f"{OCMLUA} is not there: build it, or set OCMLUA", returncode=2)


@pytest.fixture
def folder():
    """An empty directory with a short path, removed afterwards."""
    with Folder() as path:
        yield path
