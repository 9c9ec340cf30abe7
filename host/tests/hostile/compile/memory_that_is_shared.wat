;; A memory that is shared between threads.
(memory $other 1 1 shared)
