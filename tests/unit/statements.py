"""SQL statements as text, without a connection."""


def shown(composed: object) -> str:
    text = "".join(_part(part) for part in getattr(composed, "_wrapped", [composed]))
    return " ".join(text.split())


def _part(part: object) -> str:
    kind = type(part).__name__
    if kind == "Composed":
        return shown(part)
    if kind == "Identifier":
        return ".".join(f'"{name}"' for name in part.strings)
    if kind == "Literal":
        return repr(part.wrapped)
    return part.string
