module github.com/isacloud/ha-manager/dev

go 1.26.0
