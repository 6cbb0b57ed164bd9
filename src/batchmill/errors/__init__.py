"""Every exception that batchmill raises, in one tree.

All of them survive pickling: an exception with keyword fields has its own ``__reduce__``. Still, only
:class:`batchmill.outcome.ErrorInfo` crosses process boundaries, never an exception.
"""

from batchmill.errors.base import BatchmillError as BatchmillError
from batchmill.errors.documents import (
    BrokenNodeType as BrokenNodeType,
)
from batchmill.errors.documents import (
    ConditionError as ConditionError,
)
from batchmill.errors.documents import (
    FilterError as FilterError,
)
from batchmill.errors.documents import (
    InvalidDocument as InvalidDocument,
)
from batchmill.errors.documents import (
    InvalidSetting as InvalidSetting,
)
from batchmill.errors.documents import (
    KeyCollision as KeyCollision,
)
from batchmill.errors.documents import (
    MissingExtra as MissingExtra,
)
from batchmill.errors.documents import (
    Problem as Problem,
)
from batchmill.errors.documents import (
    TemplateError as TemplateError,
)
from batchmill.errors.documents import (
    TemplateSyntaxError as TemplateSyntaxError,
)
from batchmill.errors.documents import (
    UnknownNodeType as UnknownNodeType,
)
from batchmill.errors.documents import (
    UnknownSetting as UnknownSetting,
)
from batchmill.errors.documents import (
    UnresolvedReference as UnresolvedReference,
)
from batchmill.errors.documents import (
    UnsafeValue as UnsafeValue,
)
from batchmill.errors.runs import (
    AttemptTimeout as AttemptTimeout,
)
from batchmill.errors.runs import (
    BatchFailed as BatchFailed,
)
from batchmill.errors.runs import (
    BenchFailed as BenchFailed,
)
from batchmill.errors.runs import (
    ClusterLost as ClusterLost,
)
from batchmill.errors.runs import (
    ExecutorUnavailable as ExecutorUnavailable,
)
from batchmill.errors.runs import (
    FileInUse as FileInUse,
)
from batchmill.errors.runs import (
    InitializerFailed as InitializerFailed,
)
from batchmill.errors.runs import (
    InternalError as InternalError,
)
from batchmill.errors.runs import (
    Interrupted as Interrupted,
)
from batchmill.errors.runs import (
    InvalidParams as InvalidParams,
)
from batchmill.errors.runs import (
    ItemFailed as ItemFailed,
)
from batchmill.errors.runs import (
    LeftOnWorker as LeftOnWorker,
)
from batchmill.errors.runs import (
    NodeError as NodeError,
)
from batchmill.errors.runs import (
    NotCopyable as NotCopyable,
)
from batchmill.errors.runs import (
    NotPicklable as NotPicklable,
)
from batchmill.errors.runs import (
    RemoteTraceback as RemoteTraceback,
)
from batchmill.errors.runs import (
    RunLocked as RunLocked,
)
from batchmill.errors.runs import (
    Stopped as Stopped,
)
from batchmill.errors.runs import (
    StorageError as StorageError,
)
from batchmill.errors.runs import (
    TooFewItems as TooFewItems,
)
from batchmill.errors.runs import (
    UnknownRun as UnknownRun,
)
from batchmill.errors.runs import (
    UnreadableRow as UnreadableRow,
)
from batchmill.errors.runs import (
    Waiting as Waiting,
)
from batchmill.errors.runs import (
    WrongOutput as WrongOutput,
)
from batchmill.errors.runs import (
    outputs_of as outputs_of,
)
from batchmill.errors.runs import (
    tell_outputs as tell_outputs,
)
