-- Which of these jobs were deleted.
SELECT id FROM mailscan.deleted_job WHERE id = ANY ($1)
