"""The same commands on many files and many processes, through Dask (the extra ``dask``)."""

from textclf.distributed.engines import Engine, Serial, dask_engine
from textclf.distributed.evaluate import Evaluated, evaluate
from textclf.distributed.fit import Listener
from textclf.distributed.frames import predict
from textclf.distributed.label import Job, LabelledFiles, SetAside, label
from textclf.distributed.shards import Shard, find_shards
from textclf.distributed.train import TrainedFar, train

__all__ = [
    "Engine",
    "Evaluated",
    "Job",
    "LabelledFiles",
    "Listener",
    "Serial",
    "SetAside",
    "Shard",
    "TrainedFar",
    "dask_engine",
    "evaluate",
    "find_shards",
    "label",
    "predict",
    "train",
]
