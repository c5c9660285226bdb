"""Names of buffers in the MemTiles while a plan is sought. Steps, maps and bands have numbers."""

PARAMETERS = "parameters"


def without_band(name: str) -> str:
    """The name of a buffer that each band has, as all bands share it; other names as they are."""
    return name.rpartition(".")[0] or name


def map_name(number: int) -> str:
    """Name of a resident map's buffer."""
    return f"map{number}"


def fill_name(step: int, number: int, band: int) -> str:
    """Name of a buffer filled from DDR for one band."""
    return f"fill{step}.{number}.{band}"


def inner_name(step: int, number: int, band: int) -> str:
    """Name of a buffer for rows of a map inside a chain."""
    return f"inner{step}.{number}.{band}"


def ring_name(step: int) -> str:
    """Name of the rings of a DEEP step."""
    return f"rings{step}"


def band_name(step: int, band: int) -> str:
    """Name of the output buffer of one band."""
    return f"band{step}.{band}"
