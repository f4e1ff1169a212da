-- Leases whose time is over. All are looked at: they are no more than processes have at hand.
SELECT task, fence FROM task_lease WHERE due <= ?1 LIMIT ?2
