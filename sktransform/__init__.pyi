# SPDX-License-Identifier: BSD-3-Clause
from sktransform import alignment as alignment
from sktransform import augmentation as augmentation
from sktransform import base as base
from sktransform import datasets as datasets
from sktransform import exceptions as exceptions
from sktransform import inspection as inspection
from sktransform import metrics as metrics
from sktransform import nn as nn
from sktransform import reduction as reduction
from sktransform import runtime as runtime
from sktransform import utils as utils
from sktransform._version import __version__ as __version__
from sktransform.alignment import *
from sktransform.augmentation import *
from sktransform.reduction import *

_FAMILIES: tuple[str, ...]
