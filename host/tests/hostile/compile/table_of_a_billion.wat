;; A table of a billion elements.
(table 1000000000 funcref)
