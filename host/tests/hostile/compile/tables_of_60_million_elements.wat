;; Sixty tables of 990,000 elements each, beside the memory that is counted.
{{60:(table 990000 funcref)
}}
