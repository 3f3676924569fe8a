"""Scripts that complete the command lines of hakeep and hakeepd in bash, zsh and fish.

Options and subcommands are written into the script, so that completing costs nothing. Names of instances and keywords
are asked for when they are wanted, by ``hakeep completion --words KIND``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hakeep.cli.shell_words import PATHS, Command, Fitting, daemon, subcommands


def script(shell: str) -> str:
    """The script for that shell."""
    return "\n".join(SHELLS[shell]()) + "\n"


def _plain(text: str) -> str:
    """Help that no shell takes for syntax."""
    return "".join(c for c in text if c not in "'\"`$\\[]:")


# -------------------------------------------------------------------------------------------------------------- bash


def _bash() -> Iterator[str]:
    found = subcommands()
    yield from ("# bash completion for hakeep and hakeepd: hakeep completion bash > "
                "/usr/share/bash-completion/completions/hakeep", "",
                "_hakeep_words() { mapfile -t COMPREPLY < <(compgen -W \"$1\" -- \"$cur\"); }",
                "_hakeep_asked() { _hakeep_words \"$(hakeep completion --words \"$1\" 2>/dev/null)\"; }",
                "_hakeep_paths() { compopt -o filenames 2>/dev/null; "
                "mapfile -t COMPREPLY < <(compgen \"$1\" -- \"$cur\"); }", "")
    names = " ".join(command.name for command in found)
    yield from ("_hakeep() {", "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command= i",
                "    for ((i = 1; i < COMP_CWORD; i++)); do",
                "        [[ ${COMP_WORDS[i]} == -* ]] || { command=${COMP_WORDS[i]}; break; }",
                "    done", "    case $command in", f"        '') _hakeep_words '{names} --help --version' ;;")
    for command in found:
        yield f"        {command.name})"
        yield from _bash_command(command, "            ")
        yield "            ;;"
    yield from ("    esac", "}", "", "_hakeepd() {",
                "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}")
    yield from _bash_command(daemon(), "    ")
    yield from ("}", "", "complete -F _hakeep hakeep", "complete -F _hakeepd hakeepd")


def _bash_command(command: Command, margin: str) -> Iterator[str]:
    yield f"{margin}case $prev in"
    for option in command.options:
        if option.argument is not None:
            yield f"{margin}    {'|'.join(option.names)}) {_bash_fitting(option.argument)}; return ;;"
    yield f"{margin}esac"
    options = " ".join(name for option in command.options for name in option.names)
    yield f"{margin}if [[ $cur == -* ]]; then _hakeep_words '{options}'"
    yield f"{margin}else {_bash_fitting(command.arguments)}; fi"


def _bash_fitting(fitting: Fitting) -> str:
    if fitting.choices:
        return f"_hakeep_words '{' '.join(fitting.choices)}'"
    if fitting.kind in PATHS:
        return f"_hakeep_paths {'-f' if fitting.kind == 'file' else '-d'}"
    return f"_hakeep_asked {fitting.kind}" if fitting.kind else ":"


# --------------------------------------------------------------------------------------------------------------- zsh


def _zsh() -> Iterator[str]:
    found = subcommands()
    yield from ("#compdef hakeep hakeepd", "# zsh completion for hakeep and hakeepd: "
                "hakeep completion zsh > /usr/share/zsh/vendor-completions/_hakeep", "",
                "_hakeep_asked() { local -a words; words=(${(f)\"$(hakeep completion --words $1 2>/dev/null)\"}); "
                "compadd -a words }", "",
                "_hakeep_subcommand() {", "    local -a subcommands", "    subcommands=(")
    yield from (f"        '{command.name}:{_plain(command.text)}'" for command in found)
    yield from ("    )", "    _describe command subcommands", "}", "", "_hakeep_arguments() {", "    case $words[1] in")
    for command in found:
        yield f"        {command.name}) _arguments {_zsh_command(command)} ;;"
    yield from ("    esac", "}", "", "_hakeep() {",
                "    if [[ $service == hakeepd ]]; then", f"        _arguments {_zsh_command(daemon())}",
                "        return", "    fi", "    local state",
                "    _arguments -C '(- *)'{-h,--help}'[help]' '(- *)'{-V,--version}'[version]' "
                "'1: :_hakeep_subcommand' '*:: :_hakeep_arguments'", "}", "",
                "if [[ $funcstack[1] == _hakeep ]]; then _hakeep \"$@\"; else compdef _hakeep hakeep hakeepd; fi")


def _zsh_command(command: Command) -> str:
    specs = []
    for option in command.options:
        suffix = "" if option.argument is None else f": :{_zsh_fitting(option.argument)}"
        specs += [f"'*{name}[{_plain(option.text)}]{suffix}'" for name in option.names]
    if command.arguments != Fitting():
        specs.append(f"'*: :{_zsh_fitting(command.arguments)}'")
    return " ".join(specs)


def _zsh_fitting(fitting: Fitting) -> str:
    if fitting.choices:
        return f"({' '.join(fitting.choices)})"
    if fitting.kind in PATHS:
        return "_files" if fitting.kind == "file" else "_files -/"
    return f"{{_hakeep_asked {fitting.kind}}}" if fitting.kind else "( )"


# -------------------------------------------------------------------------------------------------------------- fish


def _fish() -> Iterator[str]:
    found = subcommands()
    yield from ("# fish completion for hakeep and hakeepd: "
                "hakeep completion fish > /usr/share/fish/vendor_completions.d/hakeep.fish", "",
                "complete -c hakeep -f", "complete -c hakeepd -f",
                "complete -c hakeep -n __fish_use_subcommand -s h -l help -d help",
                "complete -c hakeep -n __fish_use_subcommand -s V -l version -d version")
    for command in found:
        yield f"complete -c hakeep -n __fish_use_subcommand -a {command.name} -d '{_plain(command.text)}'"
    for command in found:
        where = f"complete -c hakeep -n '__fish_seen_subcommand_from {command.name}'"
        yield from _fish_command(where, command)
    yield from _fish_command("complete -c hakeepd", daemon())


def _fish_command(where: str, command: Command) -> Iterator[str]:
    for option in command.options:
        names = " ".join(_fish_names(option.names))
        follows = "" if option.argument is None else f" -r {_fish_fitting(option.argument)}".rstrip()
        yield f"{where} {names} -d '{_plain(option.text)}'{follows}"
    if command.arguments != Fitting():
        yield f"{where} {_fish_fitting(command.arguments)}"


def _fish_names(names: Iterable[str]) -> Iterator[str]:
    for name in names:
        yield f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}"


def _fish_fitting(fitting: Fitting) -> str:
    if fitting.choices:
        return f"-a '{' '.join(fitting.choices)}'"
    if fitting.kind in PATHS:
        return "-F" if fitting.kind == "file" else "-a '(__fish_complete_directories)'"
    return f"-a '(hakeep completion --words {fitting.kind} 2>/dev/null)'" if fitting.kind else ""


SHELLS = {"bash": _bash, "zsh": _zsh, "fish": _fish}
