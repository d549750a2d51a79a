"""`medgen completion`: the script by which a shell completes commands, options, backends and recipes."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from ..answer import answer

VARIABLE = "_MEDGEN_COMPLETE"  # in which a shell asks; click reads it under the name of the program


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print what SHELL has to read for TAB to complete commands, options, backends and recipes.

    \b
    medgen completion bash > ~/.local/share/bash-completion/completions/medgen
    medgen completion zsh > ~/.zfunc/_medgen           that folder has to be in fpath, before compinit
    medgen completion fish > ~/.config/fish/completions/medgen.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None  # click has all of the three
    script = kind(context.find_root().command, {}, "medgen", VARIABLE).source().strip()
    script = script.replace('string split ","', 'string split --max 1 ","')  # fish: backends have commas between them
    answer(script, shell=shell, script=script)
