"""The same commands on many files and many processes, through Dask (the extra ``dask``)."""

from textclf.distributed.engines import Engine, Serial, dask_engine
from textclf.distributed.label import (
    Evaluated,
    EvaluationJob,
    LabelJob,
    LabelledFiles,
    SetAside,
    evaluate_files,
    label,
    predict,
)
from textclf.distributed.shards import Shard, find_shards
from textclf.distributed.train_files import TrainedOnFiles, train_files

__all__ = [
    "Engine",
    "Evaluated",
    "EvaluationJob",
    "LabelJob",
    "LabelledFiles",
    "Serial",
    "SetAside",
    "Shard",
    "TrainedOnFiles",
    "dask_engine",
    "evaluate_files",
    "find_shards",
    "label",
    "predict",
    "train_files",
]
