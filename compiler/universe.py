"""
What other tools find: the stock `xdsl-opt` loads this object through the entry point `xdsl.universe`.

Every name is resolved only when used, so it costs `xdsl-opt` next to nothing. Two universes that define the same name
are an error of xDSL at start-up, which names both.
"""

from xdsl.universe import Universe

from compiler.registry import available_dialects, available_passes

BLOCKLOOM_UNIVERSE = Universe(all_dialects=available_dialects(), all_passes=available_passes())
