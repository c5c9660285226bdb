"""
The pipeline is a list of passes; watch the module change from one to the next.

The hook sees the module after every pass. Printing the whole pipeline gives what `blockloom-opt -p` takes.
"""

from collections import Counter

from compiler import Pipeline
from compiler.frontend.load import load_model
from compiler.onnxio.importer import import_model
from compiler.pipelines import PassRun

operations: Counter[str] = Counter()


def after_pass(run: PassRun) -> None:
    """Count the operations that there are now."""
    operations[run.name] = sum(1 for _ in run.module.walk())
    print(f"{run.level:<5} {run.name:<24} {operations[run.name]:5} operations")


pipeline = Pipeline.default(until="bsr", after_pass=after_pass)
modules = pipeline.run(import_model(load_model("zoo:squeezenet@64")))
print(pipeline.spec())

assert list(modules) == ["onnx", "bsr"]
assert operations["convert-onnx-to-bsr"] < operations["onnx-quantize"]
