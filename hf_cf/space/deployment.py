"""A Gradio Space on the Hub that serves a model."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hf_cf.errors import HubError
from hf_cf.space.files import MODEL_VARIABLE, is_ours, space_files
from hf_cf.storage.hub import commit_files, full_name, is_repo_id, make_repository, writer
from hf_cf.storage.hub_errors import LONGEST_WAIT, reason_of, tried
from hf_cf.storage.model_folder import CONFIG, WEIGHTS

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_TOKEN_SECRET = "HF_TOKEN"


def deploy_space(
    repo_id: str,
    model: str,
    *,
    private: bool | None = None,
    model_token: str | None = None,
    token: str | None = None,
) -> str:
    """Publish a Gradio Space that serves a model of the Hub; done again, it is brought up to date.

    Parameters
    ----------
    repo_id : str
        Of the Space, such as ``"user/movie-night"``; created where it does not exist.
    model : str
        Such as ``"user/movies"``, or ``"user/movies@v1"`` for a branch, tag or commit.
    private : bool, optional
        Whether a new Space is private; the account's default where not given.
    model_token : str, optional
        With read access, for the Space to read a private model with; kept as its secret
        ``HF_TOKEN``.
    token : str, optional
        With write access; the one of ``hf auth login`` where not given.

    Returns
    -------
    str
        Address of the Space.

    Raises
    ------
    ValueError
        No repository can have the name of the Space or of the model.
    HubError
        Nobody is logged in, the Hub has no such model or would not show it to the Space, the token
        may not write there, or the Hub failed. The message says what was changed until then.
    """
    api = writer(repo_id, token)
    done = "Nothing was changed there"
    try:
        repo_id = full_name(api, repo_id)
        model = full_name(api, model)
        is_open = _is_open(api, model)
        old = _old_settings(api, repo_id)
        _check_access(model, is_open, model_token, old)
        if not is_open and not (private or (old and old.private)):
            warnings.warn(
                f"everybody can ask {model} through this Space, although not everybody can "
                "read it; keep the Space to yourself with --private (private=True)",
                stacklevel=2,
            )
        if make_repository(
            api, repo_id, private, repo_type="space", space_sdk="gradio",
            space_variables=[{"key": MODEL_VARIABLE, "value": model}],
            space_secrets=[{"key": _TOKEN_SECRET, "value": model_token}] if model_token else None,
        ):  # fmt: skip
            done = "The Space was created, and is empty as yet; run the same command again"
        # Before the settings: if the files cannot be replaced, the Space runs as before.
        commit_files(
            api, repo_id, space_files(repo_id, model), is_ours,
            message=f"Serve {model}", repo_type="space",
        )  # fmt: skip
        if old is not None:
            done = "Its files are new, its settings may be old; run the same command again"
            if model_token:
                tried(lambda: api.add_space_secret(repo_id, _TOKEN_SECRET, model_token))
            if old.variables.get(MODEL_VARIABLE) != model:
                tried(lambda: api.add_space_variable(repo_id, MODEL_VARIABLE, model))
    except Exception as error:
        reason = reason_of(error, repo_id, kind="space")
        if reason is None:
            raise
        raise HubError(f"{reason}. {done}") from error
    return f"{api.endpoint}/spaces/{repo_id}"


@dataclass(frozen=True)
class _Settings:
    private: bool
    variables: dict[str, str]
    secrets: set[str]


def _old_settings(api: HfApi, repo_id: str) -> _Settings | None:
    """Return what a Space is set to, None where there is no Space; only its owner is told."""
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        info = tried(lambda: api.space_info(repo_id, timeout=LONGEST_WAIT))
    except RepositoryNotFoundError:
        return None
    variables = tried(lambda: api.get_space_variables(repo_id))
    return _Settings(
        bool(info.private),
        {key: variable.value for key, variable in variables.items()},
        set(tried(lambda: api.get_space_secrets(repo_id))),
    )


def _is_open(api: HfApi, model: str) -> bool:
    """Whether everybody may read a model; raises HubError where it is none, or none of ours."""
    from huggingface_hub.errors import RepositoryNotFoundError

    repo_id, _, revision = model.partition("@")
    if not is_repo_id(repo_id):
        raise ValueError(
            f"{repo_id!r} is no name of a model on the Hub, such as user/movies; a folder is "
            "published with: hf-cf push FOLDER user/movies"
        )
    try:
        info = tried(
            lambda: api.model_info(repo_id, revision=revision or None, timeout=LONGEST_WAIT)
        )
    except RepositoryNotFoundError as error:
        raise HubError(
            f"the Hub shows no model {repo_id}, so no Space was made; publish the model with: "
            f"hf-cf push FOLDER {repo_id}"
        ) from error
    except Exception as error:
        reason = reason_of(error, repo_id, revision or None, kind="space")
        if reason is None:
            raise
        raise HubError(f"{reason}. No Space was made or changed") from error
    missing = {CONFIG, WEIGHTS} - {file.rfilename for file in info.siblings or ()}
    if missing:
        raise HubError(
            f"{model} is no model of hf_cf, so no Space was made: {' and '.join(sorted(missing))} "
            "is not there"
        )
    return not info.private and not info.gated


def _check_access(
    model: str, is_open: bool, model_token: str | None, old: _Settings | None
) -> None:
    """Raise HubError where a Space would have no token to read a model with, or one that fails."""
    from huggingface_hub import HfApi, hf_hub_url

    advice = (
        "make one with read access to the model at https://huggingface.co/settings/tokens and "
        "give it with --secret-token (model_token=); the Space keeps it as its secret "
        f"{_TOKEN_SECRET}. No Space was made or changed"
    )
    if model_token is None:
        if is_open or (old is not None and _TOKEN_SECRET in old.secrets):
            return
        raise HubError(
            f"{model} is not open to everybody, so the Space needs a token to read it: {advice}"
        )
    repo_id, _, revision = model.partition("@")
    # A file is asked for, because the Hub describes a gated model also to who may not read it.
    config = hf_hub_url(repo_id, CONFIG, revision=revision or None)
    try:
        tried(lambda: HfApi(token=model_token).get_hf_file_metadata(url=config))
    except Exception as error:
        if reason_of(error, repo_id) is None:
            raise
        raise HubError(f"{model} cannot be read with the token of the Space: {advice}") from error
