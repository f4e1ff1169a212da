-- Lets no task wait longer than any is told to: it was delayed by a clock that was ahead.
UPDATE task SET due = ?1 WHERE state = 2 AND due > ?1
