;; A million elements for a table, one by one.
(table $t 1000000 funcref)
(func $f)
(elem (table $t) (i32.const 0) func {{1000000:$f }})
