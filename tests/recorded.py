"""A ClickHouse session that answers as it was told to, for what no engine here can show."""

from startupctl.databases.session import StatementFailed
from startupctl.diagnosis import FailureClass


class Recorded:
    """`answers` are pairs of a piece of a statement and what comes of it: rows, or the number of an exception.

    A list of several answers is used up in turn, the last one stays. What nobody asked about has no rows.
    """

    def __init__(self, *answers):
        self.answers = [(piece, list(all_of_them)) for piece, *all_of_them in answers]
        self.sent, self.names = [], []

    async def rows(self, sql):
        self.sent.append(sql)
        for piece, left in self.answers:
            if piece in sql:
                return self._answer(left.pop(0) if len(left) > 1 else left[0])
        return []

    async def execute(self, sql, *, query_id="", settings=()):
        self.settings = dict(settings)
        self.names.append(query_id)
        await self.rows(sql)

    async def note(self, sql):
        await self.rows(sql)

    async def renew(self):
        pass

    def _answer(self, answer):
        if isinstance(answer, list):
            return answer
        raise StatementFailed(str(answer or ""), "recorded", FailureClass.TRANSIENT, lost=not answer)
