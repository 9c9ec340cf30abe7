;; A guest whose second half is missing.
;; @cut
