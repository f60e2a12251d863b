"""``holdfast completion``."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from holdfast.cli.face import Face
from holdfast.cli.options import verb

_EXAMPLES = """
holdfast completion bash > ~/.local/share/bash-completion/completions/holdfast
holdfast completion zsh > ~/.zfunc/_holdfast
holdfast completion fish > ~/.config/fish/completions/holdfast.fish
"""


@verb("completion", examples=_EXAMPLES)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(face: Face, shell: str) -> None:
    """Print the completion script of a shell."""
    from holdfast.cli.main import table

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"no completion for {shell}")
    script = kind(table(), {}, "holdfast", "_HOLDFAST_COMPLETE").source()
    face.document({"shell": shell, "script": script})
    face.lines(script.splitlines())
