"""
`blockloom-opt`: xDSL's opt tool, which finds our dialects and passes by itself, and reads ONNX models as well.

    blockloom-opt model.onnx -p onnx-fold-constants,onnx-quantize
    blockloom-opt out/bsr.mlir -p 'convert-bsr-to-mem{target=mesh-2x2}'
    blockloom-opt bsr.mlir --weights elsewhere/weights.npz -p bsr-fuse-add
    blockloom-opt out/bsr.mlir -p convert-bsr-to-mem -o new/mem.mlir --save-weights new/weights.npz
    blockloom-opt out/bsr.mlir -p bsr-fold-pixels,convert-bsr-to-mem --validate --crash-reproducer crash.mlir
    blockloom-opt crash.mlir --run-reproducer
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
from compiler.cli.arguments import add_guards, guards_of
from compiler.cli.boundary import run_tool
from compiler.errors import InputError
from compiler.pipelines import PassStart, guarded
from compiler.reproducer import read_configuration
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
            "--run-reproducer",
            action="store_true",
            help="run the pass that the head of the input names, as --crash-reproducer wrote it",
        )
        add_guards(arg_parser)
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
        if self.args.run_reproducer:
            self._read_reproducer()
        for spec in parse_pipeline(self.args.passes):
            if spec.name not in self.available_passes:
                raise InputError(unknown("pass", spec.name, tuple(self.available_passes)))
            module_pass = self.available_passes[spec.name]()
            options = tuple(option.name for option in get_pass_option_infos(module_pass))
            for given in spec.normalize_parameter_names().parameters:
                if given not in options:
                    raise InputError(unknown(f"option of {spec.name}", given, options or ("(it has none)",)))
        super().setup_pipeline()

    def _read_reproducer(self) -> None:
        """Take passes and weights from the head of the input."""
        if self.args.passes:
            raise InputError(f"a reproducer says what to run, so -p {self.args.passes} cannot apply")
        if self.args.input_file is None:
            raise InputError("--run-reproducer reads a file; give its name")
        configuration = read_configuration(Path(self.args.input_file))
        self.args.passes = configuration.passes
        self.args.weights = self.args.weights or configuration.weights

    def apply_passes(self, prog: ModuleOp) -> None:
        """Apply passes in order, each of them and the verification after it within the guards that were asked for."""
        passes, between = self.pipeline.passes, self.pipeline.callback
        assert between is not None, "the stock driver verifies between passes"
        guards = guards_of(self.args, seed=0)
        between(None, prog, passes[0] if passes else None)
        for index, module_pass in enumerate(passes):
            following = passes[index + 1] if index + 1 < len(passes) else None
            with guarded(guards, PassStart(module_pass.pipeline_pass_spec(), prog)):
                module_pass.apply(self.ctx, prog)
                between(module_pass, prog, following)

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
