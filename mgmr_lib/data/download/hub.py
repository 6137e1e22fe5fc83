"""Text encoders by name, and their files on the model hub: one attempt, and one sentence where it fails."""

from pathlib import Path

from mgmr_lib.errors import CourseError

ENCODERS = ("minilm", "bert-base-uncased", "bert-base-chinese", "tiny")


def hub_file(name: str, file: str) -> Path:
    """A file of a model on the hub: from the local cache, else downloaded; one sentence where that fails."""
    from huggingface_hub import hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        cached = try_to_load_from_cache(name, file)
        if isinstance(cached, str):
            return Path(cached)
        _reach_hub(name)
        return Path(hf_hub_download(name, file))
    except HFValidationError as error:
        raise CourseError(f"{name!r} is no text encoder: choose one of {', '.join(ENCODERS)}") from error
    except CourseError:
        raise
    except Exception as error:  # the hub's client has a dozen kinds of network error
        raise CourseError(_unreachable(name, type(error).__name__)) from error


def _reach_hub(name: str) -> None:
    """Fail within seconds where there is no network: the hub's client retries for 23 s."""
    import httpx
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        raise CourseError(_unreachable(name, "offline mode is on"))
    try:
        httpx.head(constants.ENDPOINT, timeout=5)
    except httpx.HTTPError as error:
        raise CourseError(_unreachable(name, type(error).__name__)) from error


def _unreachable(name: str, reason: str) -> str:
    return (
        f"the text encoder {name!r} is not on this machine and the model hub cannot give it ({reason}): "
        "connect to the network, or choose the offline encoder `minilm`"
    )
