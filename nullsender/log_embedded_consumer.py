"""One member of a consumer group on the embedded log."""

from collections.abc import Mapping, Sequence

from nullsender.clock import Clock
from nullsender.limits import (
    LOG_LOOK_SECONDS_MAX,
    LOG_LOOK_SECONDS_MIN,
    LOG_POLL_BYTES_MAX,
    LOG_SHARE_SECONDS,
    LOG_TURN_RECORDS,
)
from nullsender.log import Consumer, Partition, Position, StartAt, StoredRecord, Topic, mark_of
from nullsender.log_embedded_groups import GroupOffsets, TopicShare
from nullsender.log_embedded_topic import TopicStore
from nullsender.log_positions import lag_records, say_misfit


class EmbeddedConsumer(Consumer):
    """Reads the partitions that are its share; they change hands only inside `poll`, when all else is settled."""

    def __init__(
        self,
        group: str,
        *,
        stores: Mapping[Topic, TopicStore],
        shares: Mapping[Topic, TopicShare],
        offsets: GroupOffsets,
        start_at: StartAt | None,
        clock: Clock,
    ) -> None:
        self._group = group
        self._stores = stores
        self._shares = shares
        self._offsets = offsets
        self._start_at = start_at
        self._clock = clock
        self._share_due_at_seconds = clock.monotonic_seconds()
        self._stored: dict[Partition, int] = {}  # what the group has dealt with, for each partition that we hold
        self._position: dict[Partition, int] = {}  # what we give next; the partition whose turn it is stands first
        self._empty_at: Mapping[Topic, int] = {}  # the commits at which we had given everything

    def poll(self, *, records_max: int, timeout_seconds: float) -> Sequence[StoredRecord]:
        """As the interface says; at most LOG_POLL_BYTES_MAX at once, and one record however large it is."""
        deadline_seconds = self._clock.monotonic_seconds() + timeout_seconds
        look_seconds = LOG_LOOK_SECONDS_MIN
        while True:
            self._share()
            if records := self._take(records_max):
                return records
            left_seconds = deadline_seconds - self._clock.monotonic_seconds()
            if left_seconds <= 0:
                return ()
            self._clock.sleep(min(look_seconds, left_seconds))
            look_seconds = min(look_seconds * 2, LOG_LOOK_SECONDS_MAX)

    def _share(self) -> None:
        """Let partitions change hands, now and then."""
        now_seconds = self._clock.monotonic_seconds()
        if now_seconds < self._share_due_at_seconds:
            return
        held = {Partition(topic, number) for topic, share in self._shares.items() for number in share.balance()}
        for partition in self._position.keys() - held:
            del self._position[partition], self._stored[partition]
        for partition in sorted(held - self._position.keys()):
            self._position[partition] = self._stored[partition] = self._start(partition)
            self._empty_at = {}
        self._share_due_at_seconds = now_seconds + LOG_SHARE_SECONDS  # last: after a failure it is due at once

    def _start(self, partition: Partition) -> int:
        """Where the group is: a position that does not fit the log counts as none, so that nothing is left out."""
        kept = self._start_at(partition) if self._start_at else None
        wanted = kept.next_offset if kept else self._offsets.load(self._group, partition.topic).get(partition.number, 0)
        is_other_log = kept is not None and not self._has_marked(partition, kept)
        offsets = self._stores[partition.topic].bounds()[partition.number]
        if offsets.start <= wanted <= offsets.stop and not is_other_log:
            return wanted
        if wanted:  # without a position a new group starts at the oldest record, whatever was trimmed before
            say_misfit(self._group, partition, wanted=wanted, oldest=offsets.start)
        return offsets.start

    def _has_marked(self, partition: Partition, kept: Position) -> bool:
        """Whether the marked record lies where it lay. One that is gone was trimmed: what is left starts after it anyway."""
        before = self._stores[partition.topic].get(partition.number, kept.next_offset - 1) if kept.next_offset else None
        return before is None or mark_of(before) == kept.mark

    def _take(self, records_max: int) -> list[StoredRecord]:
        """In turns, so that no partition waits behind a full one; whoever gave goes to the end of the queue."""
        taken: list[StoredRecord] = []
        bytes_left = LOG_POLL_BYTES_MAX
        commits = {topic: store.last_commit() for topic, store in self._stores.items()}
        position = dict(self._position)  # ours moves on only when all reading went well
        waiting = [partition for partition in position if commits[partition.topic] != self._empty_at.get(partition.topic)]
        for partition in waiting:
            wanted = min(LOG_TURN_RECORDS, records_max - len(taken))
            if wanted <= 0 or bytes_left <= 0:
                break
            offset = position[partition]
            records = self._stores[partition.topic].read(partition.number, offset, records_max=wanted, bytes_max=bytes_left)
            if records:
                taken += records
                bytes_left -= sum(len(record.value) for record in records)
                del position[partition]
                position[partition] = records[-1].offset + 1
                waiting.append(partition)
        else:
            self._empty_at = commits
        self._position = position
        return taken

    def store(self, next_offsets: Mapping[Partition, int]) -> None:
        """As the interface says."""
        ours = {partition: offset for partition, offset in next_offsets.items() if partition in self._stored}
        if ours:
            self._offsets.save(self._group, ours)
            self._stored.update(ours)

    def rewind(self) -> None:
        """As the interface says."""
        for partition in self._position:
            self._position[partition] = self._stored[partition]
        self._empty_at = {}

    def lag(self) -> Mapping[Partition, int]:
        """As the interface says."""
        bounds = {topic: store.bounds() for topic, store in self._stores.items()}
        return {
            partition: lag_records(bounds[partition.topic][partition.number], stored)
            for partition, stored in self._stored.items()
        }

    def close(self) -> None:
        """Leave the group."""
        self._position.clear()
        self._stored.clear()
        for share in self._shares.values():
            share.close()
