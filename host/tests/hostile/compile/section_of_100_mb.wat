;; A section without meaning, of 100 MB.
;; @custom 100000000
