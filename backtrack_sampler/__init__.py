"""A sampler with an undo button: stream tokens from a language model, and take back what a strategy rejects.

from backtrack_sampler import AntiSlopStrategy, BacktrackSampler, load_provider

provider = load_provider("model.gguf")
sampler = BacktrackSampler(provider, AntiSlopStrategy(provider, ["tapestry of"]))
for text in sampler.stream_text("Once upon a time", max_new_tokens=100):
    print(text, end="", flush=True)
"""

import logging

from .batch import Batch
from .chat import ChatPipeline
from .discovery import load_provider
from .errors import (
    BacktrackError,
    BatchError,
    ContextFullError,
    ExhaustedError,
    InputError,
    MissingPackageError,
    ModelError,
    RollbackError,
    StrategyError,
)
from .events import Drawn, Event, Finished, Participant, Released, Rollback, Started
from .generator import Generator
from .options import SessionOptions
from .provider.base_provider import BaseProvider
from .rollback import Bans, TakeBack
from .sampler import BacktrackSampler
from .session import Session
from .stats import Stats
from .strategy.adaptive_temperature_strategy import AdaptiveTemperatureStrategy
from .strategy.antislop_strategy import AntiSlopStrategy
from .strategy.base_strategy import BaseStrategy, Candidates, Stream
from .strategy.chain_strategy import ChainStrategy
from .strategy.creative_writing_strategy import CreativeWritingStrategy
from .strategy.debug_strategy import DebugStrategy
from .strategy.human_guidance_strategy import HumanGuidanceStrategy
from .strategy.operator_strategy import OperatorStrategy
from .strategy.replace_strategy import ReplaceStrategy
from .stream import TokenStream
from .trace import Trace, Traces

__all__ = [
    "AdaptiveTemperatureStrategy",
    "AntiSlopStrategy",
    "BacktrackError",
    "BacktrackSampler",
    "Bans",
    "BaseProvider",
    "BaseStrategy",
    "Batch",
    "BatchError",
    "Candidates",
    "ChainStrategy",
    "ChatPipeline",
    "ContextFullError",
    "CreativeWritingStrategy",
    "DebugStrategy",
    "Drawn",
    "Event",
    "ExhaustedError",
    "Finished",
    "Generator",
    "HumanGuidanceStrategy",
    "InputError",
    "MissingPackageError",
    "ModelError",
    "OperatorStrategy",
    "Participant",
    "Released",
    "ReplaceStrategy",
    "Rollback",
    "RollbackError",
    "Session",
    "SessionOptions",
    "Started",
    "Stats",
    "StrategyError",
    "Stream",
    "TakeBack",
    "TokenStream",
    "Trace",
    "Traces",
    "load_provider",
]

logging.getLogger(__name__).addHandler(logging.NullHandler())  # quiet, unless somebody wants to hear it
