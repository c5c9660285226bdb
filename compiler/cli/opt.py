"""
`blockloom-opt`: xDSL's opt tool, which finds our dialects and passes by itself, and reads ONNX models as well.

    blockloom-opt model.onnx -p onnx-fold-constants,onnx-quantize
    blockloom-opt out/bsr.mlir -p 'convert-bsr-to-mem{target=mesh-2x2}'
    blockloom-opt bsr.mlir --weights elsewhere/weights.npz -p bsr-fuse-add
    blockloom-opt out/bsr.mlir -p convert-bsr-to-mem -o new/mem.mlir --save-weights new/weights.npz
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import get_pass_option_infos
from xdsl.utils.arg_spec import parse_pipeline
from xdsl.xdsl_opt_main import xDSLOptMain

from compiler.blobs import attach_weights, save_weights
from compiler.cli.boundary import run_tool
from compiler.errors import InputError
from compiler.suggestions import unknown


class BlockloomOpt(xDSLOptMain):
    """The stock driver with a frontend for `.onnx`, weights from another folder, and errors that list what exists."""

    version_format = "blockloom-opt, built on xDSL {xdsl_version}"

    def __init__(self, args: Sequence[str] | None = None):
        super().__init__("Run Blockloom passes on a module, one at a time or many in a row", args)

    def register_all_arguments(self, arg_parser: argparse.ArgumentParser) -> None:
        super().register_all_arguments(arg_parser)
        arg_parser.add_argument(
            "--weights",
            type=Path,
            metavar="FILE",
            help="the .npz file with the values of #bsr.blob constants (default: weights.npz beside the input)",
        )

        arg_parser.add_argument(
            "--save-weights",
            type=Path,
            metavar="FILE",
            help="write the values of all #bsr.blob constants of the result to this .npz file, so that it can be run",
        )

    def register_all_frontends(self) -> None:
        super().register_all_frontends()

        def read_onnx(stream: IO[bytes]) -> ModuleOp:
            # Imported here because `onnx` is most of the start-up time, and most inputs are text.
            from compiler.frontend.load import load_model
            from compiler.onnxio.importer import import_model

            stream.close()
            return import_model(load_model(self.get_input_name()))

        self.available_frontends["onnx"] = read_onnx

    def setup_pipeline(self) -> None:
        for spec in parse_pipeline(self.args.passes):
            if spec.name not in self.available_passes:
                raise InputError(unknown("pass", spec.name, tuple(self.available_passes)))
            module_pass = self.available_passes[spec.name]()
            options = tuple(option.name for option in get_pass_option_infos(module_pass))
            for given in spec.normalize_parameter_names().parameters:
                if given not in options:
                    raise InputError(unknown(f"option of {spec.name}", given, options or ("(it has none)",)))
        super().setup_pipeline()

    def parse_chunk(self, chunk: IO[bytes], file_extension: str, start_offset: int = 0) -> ModuleOp | None:
        module = super().parse_chunk(chunk, file_extension, start_offset)
        if module is not None and self.args.weights is not None:
            attach_weights(module, self.args.weights)
        return module

    def output_resulting_program(self, prog: ModuleOp) -> str:
        if self.args.save_weights is not None:
            save_weights(self.args.save_weights, [prog])
        return super().output_resulting_program(prog)


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of the command."""

    def tool() -> int:
        BlockloomOpt(arguments).run()
        return 0

    return run_tool("blockloom-opt", tool, user_writes_ir=True)


if __name__ == "__main__":
    sys.exit(main())
