"""Episodes: many texts that are being written on one model, each waiting for the next decision about it.

A step is "take k tokens back, then draw one". All texts share one forward pass a step; one that went back draws from
remembered logits, and one that is over gives its place to the next text in the same step.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...benchmark.tasks import Item
from ...checks import check_count
from ...errors import BacktrackError, InputError
from ...provider.base_provider import BaseProvider
from ..features import repetition
from ..judges.base_judge import Answer, Judge
from .episode import Episode, EpisodeSettings, prompt_of, text_of

__all__ = ["Episodes", "Outcome"]


@dataclass
class Outcome:
    """What a step has done to one text.

    Attributes:
        observation: what is seen now, of the token drawn; of a text that has ended, what was seen last.
        reward: what it has earned.
        terminated: the text is over.
        truncated: it was cut off, for its budget is used up.
        taken_back: tokens that were taken back.
        clipped: how many more the action had asked for than could be.
        first: what is seen of the next text, where this one is over.
        summary: of a text that is over: "text", "score", "reward", "steps", "kept", "drawn", "rollbacks",
            "repetition" and "item".
    """

    observation: list[float]
    reward: float = 0.0
    terminated: bool = False
    truncated: bool = False
    taken_back: int = 0
    clipped: int = 0
    first: list[float] | None = None
    summary: dict[str, Any] | None = None

    @property
    def is_over(self) -> bool:
        """Whether the text is."""
        return self.terminated or self.truncated


class _Place:
    """Where one text after the other is written."""

    def __init__(self, number: int, seed: int) -> None:
        self.number = number
        self.seed = seed
        self.texts = -1  # begun until now, less one
        self.episode: Episode | None = None

    def order(self, size: int, places: int, shuffle: bool) -> int:
        """Which of so many items comes now."""
        if not shuffle:
            return (self.number + self.texts * places) % size
        whole, rest = divmod(self.texts, size)
        order = list(range(size))
        random.Random(f"{self.seed}/{whole}").shuffle(order)
        return order[rest]

    @property
    def text_seed(self) -> int:
        return random.Random(f"{self.seed}/text {self.texts}").getrandbits(32)


class Episodes:
    """So many texts at once, one after the other in each place.

    Args:
        provider: the model.
        items: what is written; an item may say "max_new_tokens" and "stop" itself.
        judge: gives what a text is worth.
        settings: what an episode is.
        n: places.
        seed: the first place has this one, and each further one the next: the same seed gives the same texts,
            alone or among others.
        shuffle: items in an order that follows from a place's seed, anew each time that all had their turn;
            otherwise as they stand, the places taking turns.
        restart: begin the next text where one is over.

    Raises:
        InputError: no items, or one that cannot be used.
    """

    def __init__(
        self,
        provider: BaseProvider,
        items: Sequence[Item],
        judge: Judge,
        settings: EpisodeSettings | None = None,
        n: int = 1,
        seed: int = 0,
        shuffle: bool = True,
        restart: bool = True,
    ) -> None:
        if not items:
            raise InputError("there is nothing to write: give at least one prompt")
        self.settings = settings or EpisodeSettings()
        self._provider, self._judge, self._shuffle, self._restart = provider, judge, shuffle, restart
        self._items = list(items)
        for item in self._items:
            prompt_of(provider, item, self.settings)
        self._places = [_Place(number, seed + number) for number in range(check_count("n", n))]

    def __len__(self) -> int:
        return len(self._places)

    @property
    def texts(self) -> list[str]:
        """Those that are being written, as they are now."""
        return [_of(place).text for place in self._places]

    def close(self) -> None:
        """Leave nothing of the texts that are being written."""
        for place in self._places:
            if place.episode is not None:
                place.episode.stream.end()

    def reset(self, place: int | None = None, seed: int | None = None) -> list[list[float]]:
        """Begin new texts, in all places or in one.

        Args:
            seed: of the first of these places; each further one has the next. None: they go on.

        Returns:
            For each of these places what is seen of its first token.
        """
        places = self._places if place is None else [self._places[place]]
        for number, each in enumerate(places):
            if seed is not None:
                each.seed, each.texts = seed + number, -1
            self._begin(each)
        self._draw(places)
        return [_of(each).agent.observation for each in places]

    def step(self, actions: Sequence[int]) -> list[Outcome]:
        """Take the first action in the first place, and so on: 0 keeps the token drawn last, k takes k back.

        Raises:
            InputError: a text is over and was not begun anew, or an action that there is not.
            BacktrackError: whatever has ended a text: the model, a strategy; or the judge.
        """
        if len(actions) != len(self._places):
            raise InputError(f"{len(self._places)} actions are wanted, one for each text, not {len(actions)}")
        episodes = [_of(place) for place in self._places]
        outcomes = [self._decide(episode, int(action)) for episode, action in zip(episodes, actions, strict=True)]
        self._cut_off([place for place, outcome in zip(self._places, outcomes, strict=True) if outcome.truncated])
        over = [place for place, outcome in zip(self._places, outcomes, strict=True) if outcome.is_over]
        self._go_on(over, [place for place in self._places if place not in over])
        for place, episode, outcome in zip(self._places, episodes, outcomes, strict=True):
            if episode.stream.done and not outcome.is_over:  # nothing was left to draw
                outcome.terminated = True
            if not outcome.terminated:
                outcome.observation = episode.agent.observation
                outcome.reward += self.settings.shaping.of_draw(episode.agent.repetition)
            if outcome.is_over and self._restart:
                outcome.first = _of(place).agent.observation
        self._pay(episodes, outcomes)
        return outcomes

    def _decide(self, episode: Episode, action: int) -> Outcome:
        settings = self.settings
        if episode.stream.done:
            raise InputError("this text is over: reset the environment first")
        if not 0 <= action <= settings.max_backtrack:
            raise InputError(f"an action is from 0 to {settings.max_backtrack}, not {action}")
        taken_back, earned = episode.settle(action)
        over = episode.stream.done
        return Outcome(
            episode.agent.observation, earned, terminated=over, truncated=episode.is_spent and not over,
            taken_back=taken_back, clipped=action - taken_back,
        )  # fmt: skip

    # -- drawing ---------------------------------------------------------------------------------

    def _begin(self, place: _Place) -> None:
        if place.episode is not None:
            place.episode.stream.end()
        place.texts += 1
        item = self._items[place.order(len(self._items), len(self._places), self._shuffle)]
        place.episode = Episode(self._provider, item, place.text_seed, self.settings)
        place.episode.stream.begin()

    def _go_on(self, over: Sequence[_Place], going: Sequence[_Place]) -> None:
        """Begin the next texts, and draw a token everywhere: one forward pass for all."""
        while over or going:
            if self._restart:
                for place in over:
                    self._begin(place)
                going = [*going, *over]
            over = self._draw(going)
            going = []

    def _cut_off(self, places: Sequence[_Place]) -> None:
        """End texts whose budget is used up: after one more token, so that what is seen last is what comes next."""
        self._draw(places)
        for place in places:
            _of(place).cut_off()

    def _draw(self, places: Sequence[_Place]) -> list[_Place]:
        """Draw a token in each place; returns those where nothing was left to draw, and the text is over."""
        waiting, over = list(places), []
        while waiting:
            streams = [_of(place).stream for place in waiting]
            with self._provider.lock:
                rows = self._provider.peek_batch([stream.sequence for stream in streams])
            again = []
            for place, stream, row in zip(waiting, streams, rows, strict=True):
                if stream.draw(row):
                    continue
                stream.settle()
                if stream.error is not None:
                    raise stream.error
                if not stream.done:
                    again.append(place)
                elif not _of(place).actions:
                    raise BacktrackError(f"there is nothing to draw after the prompt of item {_of(place).item.id}")
                else:
                    over.append(place)
            waiting = again
        return over

    # -- what it is worth --------------------------------------------------------------------------

    def _pay(self, episodes: Sequence[Episode], outcomes: Sequence[Outcome]) -> None:
        """The judge's part: of all texts that are over or have grown enough, asked at once."""
        every = self.settings.dense_every
        judged = [
            (episode, outcome)
            for episode, outcome in zip(episodes, outcomes, strict=True)
            if outcome.terminated or (every and not outcome.truncated and episode.length >= episode.judged_at + every)
        ]
        answers = [Answer(text_of(episode.item), episode.text, episode.item) for episode, _ in judged]
        scores = self._judge.scores(answers) if answers else []
        for (episode, outcome), score in zip(judged, scores, strict=True):
            outcome.reward += score - episode.paid
            episode.paid, episode.judged_at = score, episode.length
        for episode, outcome in zip(episodes, outcomes, strict=True):
            if outcome.truncated:
                outcome.reward -= episode.paid + self.settings.shaping.cut_off_penalty
            episode.reward += outcome.reward
            if outcome.is_over:
                outcome.summary = _summary(episode, outcome)

    # -- going on with it later ----------------------------------------------------------------------

    def state(self) -> list[dict[str, Any]]:
        """All that these texts follow from; JSON."""
        return [
            {
                "seed": place.seed, "texts": place.texts, "actions": _of(place).actions, "reward": _of(place).reward,
                "paid": _of(place).paid, "judged_at": _of(place).judged_at,
            }
            for place in self._places
        ]  # fmt: skip

    def restore(self, state: Sequence[dict[str, Any]]) -> list[list[float]]:
        """Write the texts of a `state` once more, action by action; what is seen now in each place."""
        if len(state) != len(self._places):
            raise InputError(f"there were {len(state)} environments, and now {len(self._places)}: use as many")
        for place, said in zip(self._places, state, strict=True):
            place.seed, place.texts = said["seed"], said["texts"] - 1
            self._begin(place)
            episode = _of(place)
            self._draw([place])
            for action in said["actions"]:
                episode.settle(action)
                self._draw([place])
            episode.reward, episode.paid, episode.judged_at = said["reward"], said["paid"], said["judged_at"]
        return [_of(place).agent.observation for place in self._places]


def _of(place: _Place) -> Episode:
    if place.episode is None:
        raise InputError("nothing was begun yet: reset the environment first")
    return place.episode


def _summary(episode: Episode, outcome: Outcome) -> dict[str, Any]:
    stats, text = episode.stream.stats, episode.text
    words = text.split()
    return {
        "item": episode.item.id, "text": text, "score": None if outcome.truncated else episode.paid,
        "reward": episode.reward, "steps": len(episode.actions), "kept": episode.kept, "drawn": stats.drawn,
        "rollbacks": stats.rollbacks, "repetition": repetition(words), "truncated": outcome.truncated,
    }  # fmt: skip
