"""The same round trips as with the Hub of the tests, with the real one.

``HF_CF_LIVE=1 HF_TOKEN=... python -m pytest tests/live`` with the token of an account for tests,
in which new private repositories are made and deleted.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import HfApi
from same_answers import assert_same_answers

from hf_cf import HubError, Recommender
from hf_cf.space.deployment import deploy_space
from hf_cf.space.files import space_files
from hf_cf.storage.publishing import pull

New = Callable[..., str]


def test_a_model_comes_back_and_is_cached(trained: Recommender, repository: New) -> None:
    name = repository()
    address = trained.push_to_hub(name, private=True)
    assert address.endswith(name)
    assert_same_answers(Recommender.from_pretrained(name), trained)
    assert_same_answers(Recommender.from_pretrained(name, local_files_only=True), trained)


def test_all_files_go_up_in_one_commit_and_stale_ones_go(
    trained: Recommender, repository: New
) -> None:
    name = repository()
    trained.push_to_hub(name, private=True, commit_message="First")
    trained.push_to_hub(name, include_history=False, commit_message="Second")
    titles = [commit.title for commit in HfApi().list_repo_commits(name)]
    assert titles[:2] == ["Second", "First"]
    assert "history.parquet" not in HfApi().list_repo_files(name)


def test_what_has_not_changed_is_not_committed_again(trained: Recommender, repository: New) -> None:
    name = repository()
    trained.push_to_hub(name, private=True)
    before = HfApi().model_info(name).sha
    trained.push_to_hub(name)
    assert HfApi().model_info(name).sha == before


def test_a_private_model_is_shown_to_nobody_else(
    trained: Recommender, repository: New, tmp_path: Path
) -> None:
    name = repository()
    trained.push_to_hub(name, private=True)
    with pytest.raises(HubError, match="the Hub shows no model of that name"):
        Recommender.from_pretrained(name, token=False, cache_dir=tmp_path)


def test_a_gated_model_says_whom_to_ask(
    trained: Recommender, repository: New, tmp_path: Path
) -> None:
    name = repository()
    trained.push_to_hub(name, private=False, include_history=False)
    HfApi().update_repo_settings(name, gated="manual")
    with pytest.raises(HubError, match="open only to those whom its owner admits"):
        Recommender.from_pretrained(name, token=False, cache_dir=tmp_path)


def test_branches_and_pull_requests_leave_main_alone(trained: Recommender, repository: New) -> None:
    name = repository()
    trained.push_to_hub(name, private=True)
    main = HfApi().model_info(name).sha
    trained.push_to_hub(name, revision="v1", dtype="float16")
    address = trained.push_to_hub(name, create_pr=True, include_history=False)
    assert "/discussions/" in address
    assert HfApi().model_info(name).sha == main
    assert Recommender.from_pretrained(name, revision="v1").users == trained.users
    assert Recommender.from_pretrained(name, revision="refs/pr/1").history is None
    with pytest.raises(HubError, match="has no branch, tag or commit 'v9'"):
        Recommender.from_pretrained(name, revision="v9")


def test_a_token_that_is_none_is_named(trained: Recommender, repository: New) -> None:
    with pytest.raises(HubError, match="does not accept the token"):
        trained.push_to_hub(repository(), token="hf_" + "x" * 34)


def test_a_name_of_somebody_else_is_refused(trained: Recommender) -> None:
    with pytest.raises(HubError, match=r"write access|shows no model"):
        trained.push_to_hub("huggingface/hf-cf-live")


def test_a_pull_is_byte_for_byte(trained: Recommender, repository: New, tmp_path: Path) -> None:
    name = repository()
    trained.push_to_hub(name, private=True)
    pull(name, tmp_path / "model")
    for path in (tmp_path / "model").iterdir():
        there = HfApi().hf_hub_download(name, path.name)
        assert path.read_bytes() == Path(there).read_bytes()


def test_a_space_is_deployed_and_brought_up_to_date(trained: Recommender, repository: New) -> None:
    model, name = repository(), repository("space")
    trained.push_to_hub(model, private=False, include_history=False)
    deploy_space(name, model, private=True)
    files = set(HfApi().list_repo_files(name, repo_type="space"))
    assert files - {".gitattributes"} == space_files(name, model).keys()
    deploy_space(name, f"{model}@main")
    variables = HfApi().get_space_variables(name)
    assert variables["HF_CF_MODEL"].value == f"{model}@main"
