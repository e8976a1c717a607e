"""What a training starts from: its settings, and a model to go on from."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from textclf.cli.output import say, warn
from textclf.errors import shown

if TYPE_CHECKING:
    from textclf.model.model import Model
    from textclf.settings import Settings
    from textclf.training.checkpoint import CheckpointFile

_GIVEN = {ParameterSource.COMMANDLINE, ParameterSource.DEFAULT_MAP}  # what a person wrote, in a --config file too


def model_and_settings(
    init_from: Path | None, replay: Path | None, settings: dict[str, Any]
) -> tuple["Model | None", "Settings"]:
    """Return the model to go on from, if any, and the settings, of which it fixes some."""
    from textclf.settings import Settings

    if init_from is None:
        if replay is not None:
            raise click.UsageError("--replay goes with --init-from: it stands for the rows of the model given there.")
        return None, Settings(**_with_output(settings))
    from textclf.model.model import Model
    from textclf.training.continual import kept_settings

    context = click.get_current_context()
    given = frozenset(name for name in settings if context.get_parameter_source(name) in _GIVEN)
    model = Model.load(init_from)
    wanted = Settings(**_with_output({**settings, "multi_label": settings["multi_label"] or model.is_multi_label}))
    return model, kept_settings(model, wanted, given)


def say_where_it_begins(checkpoint: "CheckpointFile", resume: bool, quiet: bool) -> None:
    """Say whether a training goes on or starts anew, where one may have been stopped."""
    name, is_there = shown(str(checkpoint.path)), checkpoint.path.exists()
    if resume:
        say(f"going on from {name}" if is_there else f"no {name}: training from the start", quiet=quiet)
    elif is_there:
        warn(f"{name}: a training was stopped; this one starts anew. --resume would go on.")


def _with_output(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings with the output that goes with one label a text, or several; refuse what does not."""
    multi_label, output = settings["multi_label"], settings["output"]
    if multi_label and output == "softmax":
        raise click.UsageError("--multi-label goes with --output sigmoid: a softmax gives each text one label.")
    if multi_label and settings["class_weight"] != "none":
        raise click.UsageError("--class-weight goes with one label a text: with several, thresholds weigh rare labels.")
    return {**settings, "output": output or ("sigmoid" if multi_label else "softmax")}
