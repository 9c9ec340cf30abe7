;; Grows its tables for as long as they grow.
{{20:(table $t# 0 funcref)
}}
(func $process (param $batch i32) (result i32)
  {{20:(loop $more (br_if $more (i32.ge_s (table.grow $t# (ref.null func) (i32.const 10000)) (i32.const 0))))
  }}
  (unreachable))
