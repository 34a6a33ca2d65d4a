"""Trials of one shape trained side by side: same numbers as alone, more of them per hour."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from pipeline.networks.parameters import Tree
from pipeline.options import TrainingOptions
from pipeline.systems import Batch, Players, make_system
from pipeline.training.averages import Averages
from pipeline.training.back_ends import REFERENCE, BackEnd
from pipeline.training.capture import captured
from pipeline.training.checkpoint import Keeper, pour
from pipeline.training.courses import Courses, Trained, taken_up
from pipeline.training.curves import Point, broken, columns, gradient_norms, points, ticks
from pipeline.training.descent import Descent
from pipeline.training.feed import Feed, Reader, Shelf
from pipeline.training.loop import Loop
from pipeline.training.numerics import owned
from pipeline.training.program import Program
from pipeline.training.start import WATCHED, first_players, watched_batches
from pipeline.trial import TrialConfig, content_hash

# What members may have of their own in `training`.
RATES = ("generator_lr", "discriminator_lr", "betas")


class Member(NamedTuple):
    """A trial, and the rows (m,) int64 of the training samples that are its subset, in its order."""

    trial: TrialConfig
    rows: np.ndarray


def signature(trial: TrialConfig) -> str:
    """Equal for trials that may share a program: all but seed, number of samples, and rates. (Of fewer
    samples than are watched at ticks, the number counts.)
    """
    return content_hash([_shared(trial), min(trial.train_samples, WATCHED)])


def _shared(trial: TrialConfig) -> str:
    """The trial without what may differ in a cohort, as JSON."""
    rates = {name: getattr(TrainingOptions(), name) for name in RATES}
    training = trial.training.model_copy(update=rates)
    return trial.model_copy(update={"seed": 0, "train_samples": 1, "training": training}).model_dump_json()


def train_cohort(
    members: Sequence[Member],
    samples: np.ndarray,
    held_out: np.ndarray,
    device: torch.device,
    labels: np.ndarray | None,
    back_end: BackEnd,
    keeper: Keeper | None = None,
) -> list[Trained]:
    """Train trials of one `signature`; each result is what `train` gives for the trial alone.

    samples: uint8 (n, c, h, w) images or float32 (n, d) points, of which members have rows; labels: (n,)
    their classes, if they have any. Equal to the reference's numbers where kernels are the same, and else up
    to rounding, which training amplifies. A member that diverges is recorded and leaves; the others do not
    notice. keeper: what it holds of this cohort's training is gone on from, to the same end bit for bit.
    Whatever else goes wrong, and what the keeper raises, is raised for the whole cohort.
    """
    trials = [trial for trial, _ in members]
    game = make_system(trials[0], samples.shape[1:])
    if back_end == REFERENCE or not game.moves:

        def loop(member: Member) -> Loop:
            trial, rows = member
            return Loop(trial, samples[rows], held_out, device, None if labels is None else labels[rows])

        begin = [functools.partial(loop, member) for member in members]
        return Courses(begin, game, trials, REFERENCE.name, device, keeper).run()
    used, places = np.unique(np.concatenate([rows for _, rows in members]), return_inverse=True)
    ends = np.cumsum([len(rows) for _, rows in members])[:-1]
    classes = np.full(len(used), -1) if labels is None else labels[used]
    shelf = Shelf(owned(samples[used], device), owned(classes, device))
    watching = owned(held_out[:WATCHED], device)
    placed = [Member(m.trial, rows) for m, rows in zip(members, np.split(places, ends), strict=True)]
    groups = [placed] if back_end.stacked else [[member] for member in placed]
    courses = [functools.partial(_Course, group, shelf, watching, back_end) for group in groups]
    found = Courses(courses, game, trials, back_end.name, device, keeper).run(side_by_side=back_end.captured)
    share = sum(end.seconds for end in found) / len(members)
    return [end._replace(seconds=share, cohort=len(members)) for end in found]


# A worker meets the same shapes again and again; tracing takes seconds.
@functools.lru_cache(maxsize=16)
def _program(config: str, sample_shape: tuple[int, ...], back_end: BackEnd) -> Program:
    trial = TrialConfig.model_validate_json(config)
    game = make_system(trial, sample_shape)
    learned = {
        player: [name for name, _ in network.named_parameters()] for player, network in game.networks.items()
    }
    return Program(game, learned, back_end, trial.training.precision)


class _Course:
    """The training of members that share a program, from first to last step."""

    def __init__(self, members: Sequence[Member], shelf: Shelf, held_out: Tensor, back_end: BackEnd) -> None:
        trial = members[0].trial
        self.program = _program(_shared(trial), tuple(shelf.samples.shape[1:]), back_end)
        self.members, self.shelf, self.back_end = list(members), shelf, back_end
        self.game, self.options = self.program.game, trial.training
        self.device = shelf.samples.device
        self.found: dict[str, Trained] = {}
        players, watched = [], []
        for member in members:
            real = shelf.samples[torch.from_numpy(member.rows).to(self.device)]
            players.append(first_players(self.game, member.trial.id, real))
            watched.append(watched_batches(self.game, member.trial.id, real, held_out))
        self.players = {name: self._stack_trees([p[name] for p in players]) for name in self.game.networks}
        self.watched = {where: self._stack_batches([w[where] for w in watched]) for where in watched[0]}
        self.averages = Averages(self.players, self.game.generators, self.options.ema)
        everyone = [member.trial.training for member in members]
        self.descents = {
            player: Descent(player, everyone, self._learned(player))
            for player in self.game.networks
            if self.program.learned[player]
        }
        readers = [Reader(member.trial.id, member.rows) for member in members]
        self.feed = Feed(shelf, readers, self.game, self.options.batch_size)
        self.kept = list(range(len(members)))  # of the readers
        self.step, self.shown = 0, 0
        self.losses: dict[str, Tensor] = {}
        self.gradients: dict[str, Tree] = {}
        self.curves: dict[str, list[Point]] = {member.trial.id: [] for member in members}

    def steps(self) -> Iterator[int]:
        """Train, from where it stands; yields every step when its work has been handed to the device."""
        options, game = self.options, self.game
        progress = torch.arange(options.steps, dtype=torch.float32, device=self.device) / options.steps
        recorded = ticks(options)
        updates = self._updates()
        for step in range(self.step + 1, options.steps + 1):
            for name in game.turns(step):
                batch = self._of(next(self.feed)._replace(progress=progress[step - 1]), self.kept)
                self.losses[f"{name}_loss"] = updates[name](batch)
                self.shown += options.batch_size * game.pack * (name not in game.generators)
            self.averages.follow(self.players)
            self.step = step
            if step in recorded:
                self._record(progress[step - 1])
                left = [k for k, m in enumerate(self.members) if m.trial.id not in self.found]
                if not left:
                    return
                # Repacked when half of it is gone: every width is a program of its own.
                if self.back_end.stacked and 2 * len(left) <= len(self.members):
                    self._keep(left)
                    updates = self._updates()
            yield step
        self._finish(range(len(self.members)), "completed", None)

    def ends(self) -> list[Trained]:
        """In the members' first order."""
        return [self.found[trial_id] for trial_id in self.curves]

    def state(self) -> dict[str, Any]:
        """For a checkpoint, after any step."""
        return {
            "step": self.step,
            "shown": self.shown,
            "kept": self.kept,
            "players": self.players,
            "descents": {name: descent.state() for name, descent in self.descents.items()},
            "averages": self.averages.state(),
            "gradients": self.gradients,
            "losses": self.losses,
            "curves": {trial_id: columns(curve) for trial_id, curve in self.curves.items()},
            "found": {trial_id: end.kept() for trial_id, end in self.found.items()},
            "feed": self.feed.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from there, before the first step: in place, so that what is captured sees it. Raises
        ValueError where it is of another cohort.
        """
        if len(state["kept"]) < len(self.members):
            self._keep(state["kept"])
        self.step, self.shown = state["step"], state["shown"]
        pour(state["players"], self.players)
        for name, descent in self.descents.items():
            descent.restore(state["descents"][name])
        self.averages.restore(state["averages"])
        self.gradients, self.losses = state["gradients"], state["losses"]
        self.curves = {trial_id: points(curve) for trial_id, curve in state["curves"].items()}
        self.found = {trial_id: taken_up(self.game, end) for trial_id, end in state["found"].items()}
        self.feed.restore(state["feed"])

    def _updates(self) -> dict[str, Any]:
        def update_of(name: str) -> Any:
            update = functools.partial(self._update, name)
            return captured(update) if self.back_end.captured else update

        return {name: update_of(name) for name in self.game.moves}

    def _update(self, name: str, batch: Batch) -> Tensor:
        loss, gradients = self.program.gradients(name, self.players, batch)
        self.gradients |= gradients
        with torch.no_grad():
            for player in self.game.moves[name].players:
                if player in self.game.rules:
                    self.program.follow(player, self.players[player], gradients[player])
                else:
                    self.descents[player].step(self._learned(player), gradients[player])
                if player in self.game.after:
                    self.program.after(player, self.players[player])
        return loss

    def _learned(self, player: str) -> Tree:
        return {name: self.players[player][name] for name in self.program.learned[player]}

    def _record(self, progress: Tensor) -> None:
        norms = torch.vmap(gradient_norms) if self.back_end.stacked else gradient_norms
        measures = self.program.watch(self.players, self.watched, progress)
        metrics = self.losses | norms(self.gradients) | measures
        values = torch.stack([value.reshape(-1) for value in metrics.values()], 1).tolist()
        for k, (member, row) in enumerate(zip(self.members, values, strict=True)):
            if member.trial.id in self.found:
                continue
            tick = [Point(self.step, name, value) for name, value in zip(metrics, row, strict=True)]
            self.curves[member.trial.id] += tick
            error = broken(tick, self.options.steps)
            if error:
                self._finish([k], "diverged", error)

    def _finish(self, places: Sequence[int], status: str, error: str | None) -> None:
        players = self.players | self.averages.trees
        for k in places:
            trial_id = self.members[k].trial.id
            if trial_id not in self.found:
                own = {
                    name: {key: self._at(tensor, k) for key, tensor in tree.items()}
                    for name, tree in players.items()
                }
                curve, name = self.curves[trial_id], self.back_end.name
                self.found[trial_id] = Trained(
                    self.game, own, curve, status, error, self.step, 0.0, self.shown, name
                )

    def _at(self, tensor: Tensor, k: int) -> Tensor:
        """A member's own copy."""
        own = tensor[k] if self.back_end.stacked else tensor
        return own.clone(memory_format=torch.contiguous_format)

    def _keep(self, left: Sequence[int]) -> None:
        """Go on with these members only."""
        index = torch.tensor(left, device=self.device)

        def chosen(players: Players) -> Players:
            return {name: {key: t[index] for key, t in tree.items()} for name, tree in players.items()}

        self.members = [self.members[k] for k in left]
        self.kept = [self.kept[k] for k in left]
        self.players, self.gradients = chosen(self.players), chosen(self.gradients)
        self.averages.trees = chosen(self.averages.trees)
        self.watched = {where: self._of(batch, left) for where, batch in self.watched.items()}
        for player, descent in self.descents.items():
            descent.keep(self._learned(player), left)

    def _of(self, batch: Batch, members: Sequence[int]) -> Batch:
        """These members' part; of the only one where nothing is stacked."""
        if self.back_end.stacked and len(members) == len(batch.latents):
            return batch
        index: Any = list(members) if self.back_end.stacked else members[0]
        draws = {name: draw[index] for name, draw in batch.draws.items()}
        return Batch(batch.real[index], batch.latents[index], batch.labels[index], draws, batch.progress)

    def _stack_trees(self, trees: Sequence[Tree]) -> Tree:
        if not self.back_end.stacked:
            return {key: _channels_last(tensor.detach()) for key, tensor in trees[0].items()}
        return {key: torch.stack([tree[key].detach() for tree in trees]) for key in trees[0]}

    def _stack_batches(self, given: Sequence[Batch]) -> Batch:
        if not self.back_end.stacked:
            return given[0]
        real, latents, labels, draws, progress = zip(*given, strict=True)
        return Batch(
            torch.stack(real),
            torch.stack(latents),
            torch.stack(labels),
            {name: torch.stack([d[name] for d in draws]) for name in draws[0]},
            progress[0],
        )


def _channels_last(tensor: Tensor) -> Tensor:
    """Weights of convolutions as `Kernels` wants them, so that no step lays them out anew."""
    return tensor.contiguous(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor
