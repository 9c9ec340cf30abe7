;; More tables than an instance may have.
{{101:(table 1 funcref)
}}
