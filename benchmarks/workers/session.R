# What workers in R have in common: they answer the runner as session.py does.

json <- function(fields) {
  values <- vapply(fields, function(v) {
    if (is.numeric(v) && !is.null(names(v))) json(as.list(v))
    else if (is.null(v) || (is.numeric(v) && !is.finite(v))) "null"
    else if (is.numeric(v)) sprintf("%.17g", v)
    else paste0("\"", gsub("[\\\\\"[:cntrl:]]", " ", v), "\"")
  }, "")
  paste0("{", paste0("\"", names(fields), "\": ", values, collapse = ", "), "}")
}

reply <- function(...) {
  cat(json(list(...)), "\n", sep = "")
  flush(stdout())
}

memory <- function() {
  lines <- tryCatch(readLines("/proc/self/status"), error = function(e) character(0))
  line <- grep("^VmHWM", lines, value = TRUE)
  if (length(line)) as.numeric(gsub("[^0-9]", "", line)) * 1024 / 1e6 else NULL
}

now <- function() as.numeric(Sys.time())
spent <- function() sum(proc.time()[1:2])  # user and system, of this process
