"""Text encoders by name or folder, and their files on the model hub: one attempt, and one sentence where it fails."""

from contextlib import suppress
from pathlib import Path

from mgmr_lib.errors import CourseError
from mgmr_lib.paths import absolute

ENCODERS = ("minilm", "bert-base-uncased", "bert-base-chinese", "tiny", "stored")
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
# What a tokeniser can be made of: the first of these sets whose files are all there.
TOKENIZERS = (
    ("tokenizer.json",), ("vocab.txt",), ("vocab.json", "merges.txt"), ("sentencepiece.bpe.model",), ("spm.model",),
    ("spiece.model",),
)  # fmt: skip


def local_folder(name: str) -> Path | None:
    """The folder that `name` is the path of, or None where it is a name on the hub; one sentence for an empty
    folder."""
    folder = absolute(name)
    if not folder.is_dir():
        if name.startswith(("/", "./", "../", "~")):
            raise CourseError(
                f"{name} is no folder with a text encoder: check the path, or name one of {', '.join(ENCODERS)}"
            )
        return None
    if not (folder / "config.json").is_file():
        if name in ENCODERS:
            return None
        raise CourseError(
            f"{folder} holds no text encoder (no config.json): name the folder that save_pretrained wrote"
        )
    return folder


def model_folder(name: str, sets=(WEIGHTS[:1], WEIGHTS[1:])) -> Path:
    """The folder with config.json and the first of the `sets` of files that the hub (or the folder) has in full.

    Where none is complete the folder comes back as it is: the caller knows what is missing.
    """
    folder = local_folder(name)
    if folder is not None:
        return folder
    folder = hub_file(name, "config.json").parent
    for files in sets:
        with suppress(FileNotFoundError):
            return [hub_file(name, file, optional=True) for file in files][0].parent
    return folder


def hub_file(name: str, file: str, optional: bool = False) -> Path:
    """A file of a model on the hub: from the local cache, else downloaded; one sentence where that fails.

    optional: a file that the model does not have is a FileNotFoundError.
    """
    from huggingface_hub import errors, hf_hub_download, try_to_load_from_cache

    try:
        cached = try_to_load_from_cache(name, file)
        if isinstance(cached, str):
            return Path(cached)
        if cached is None:  # else the cache remembers that the model has no such file
            _reach_hub(name)
            return Path(hf_hub_download(name, file))
    except errors.HFValidationError as error:
        raise CourseError(
            f"{name!r} is no text encoder: choose one of {', '.join(ENCODERS)}, a name on the hub or a folder"
        ) from error
    except CourseError:
        raise
    except errors.RepositoryNotFoundError as error:
        raise CourseError(
            f"the model hub has no text encoder {name!r} that it gives to everybody: check the name's spelling"
        ) from error
    except Exception as error:  # the hub's client has a dozen kinds of network error
        if not isinstance(error, errors.EntryNotFoundError) or isinstance(error, errors.LocalEntryNotFoundError):
            raise CourseError(_unreachable(name, type(error).__name__)) from error
    if optional:
        raise FileNotFoundError(file)
    raise CourseError(f"{name!r} has no {file} on the hub: it is no text encoder that transformers reads")


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
