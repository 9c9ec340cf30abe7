module pages

go 1.24
