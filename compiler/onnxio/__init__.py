"""Between ONNX protobufs and modules of the `onnx` level, and running models in ONNX Runtime."""

from compiler.onnxio.exporter import export_model
from compiler.onnxio.importer import import_model

__all__ = ["export_model", "import_model"]
