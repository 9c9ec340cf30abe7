;; A memory of 4 GiB from the start.
(memory $memory 65536)
