# lme4 by maximum likelihood without derivatives at the optimum, its fastest setting; nloptwrap's
# tolerances are its defaults. Speaks with the runner as session.py does.
# Arguments: formula, CSV file, names of the factors separated by commas.

reply <- function(...) {
  fields <- list(...)
  values <- vapply(fields, function(v) {
    if (is.null(v) || (is.numeric(v) && !is.finite(v))) "null"
    else if (is.numeric(v)) sprintf("%.17g", v)
    else paste0("\"", gsub("[\\\\\"[:cntrl:]]", " ", v), "\"")
  }, "")
  cat("{", paste0("\"", names(fields), "\": ", values, collapse = ", "), "}\n", sep = "")
  flush(stdout())
}

memory <- function() {
  lines <- tryCatch(readLines("/proc/self/status"), error = function(e) character(0))
  line <- grep("^VmHWM", lines, value = TRUE)
  if (length(line)) as.numeric(gsub("[^0-9]", "", line)) * 1024 / 1e6 else NULL
}

now <- function() as.numeric(Sys.time())
spent <- function() sum(proc.time()[1:2])  # user and system, of this process

if (!suppressMessages(suppressWarnings(require(lme4, quietly = TRUE)))) {
  reply(absent = "R has no package lme4")
  quit(save = "no")
}

arguments <- commandArgs(TRUE)
f <- as.formula(arguments[1])
factors <- strsplit(arguments[3], ",")[[1]]
d <- read.csv(arguments[2], colClasses = setNames(rep("factor", length(factors)), factors))
control <- lmerControl(calc.derivs = FALSE)
defaults <- environment(nloptwrap)$defaultControl

total <- function(count) {
  gc(FALSE)
  start <- now()
  began <- spent()
  for (i in seq_len(count)) m <- lmer(f, d, REML = FALSE, control = control)
  last <<- m
  reply(
    seconds = (now() - start) / count,
    cpu = (spent() - began) / count,
    objective = -2 * as.numeric(logLik(m)),
    evaluations = m@optinfo$feval
  )
}

optimisation <- function(count) {
  gc(FALSE)
  seconds <- 0
  cpu <- 0
  for (i in seq_len(count)) {
    parsed <- lFormula(f, d, REML = FALSE, control = control)
    deviance <- do.call(mkLmerDevfun, c(parsed, list(verbose = 0L, control = control)))
    start <- now()
    began <- spent()
    optimizeLmer(
      deviance,
      optimizer = control$optimizer, restart_edge = control$restart_edge,
      boundary.tol = control$boundary.tol, control = control$optCtrl, calc.derivs = FALSE
    )
    cpu <- cpu + (spent() - began)
    seconds <- seconds + (now() - start)
  }
  reply(seconds = seconds / count, cpu = cpu / count)
}

estimates <- function(fit) {
  c(fixef(fit), sigma = sigma(fit), as.data.frame(VarCorr(fit))$sdcor)
}

# What can be asked of a fit.
tasks <- list(
  leverage = function(fit) hatvalues(fit),
  influence = function(fit) influence(fit),
  profile = function(fit) suppressWarnings(confint(fit, method = "profile", quiet = TRUE)),
  bootstrap = function(fit) bootMer(fit, estimates, nsim = 100)
)

# Degrees of freedom are those of a REML fit, which is made once.
restricted <- NULL
by_reml <- function(fit) {
  if (is.null(restricted)) restricted <<- lmer(f, d, REML = TRUE, control = control)
  restricted
}
if (requireNamespace("lmerTest", quietly = TRUE)) {
  tasks$satterthwaite <- function(fit) coef(summary(lmerTest::as_lmerModLmerTest(by_reml(fit))))
  if (requireNamespace("pbkrtest", quietly = TRUE)) {
    tasks$kenward_roger <- function(fit) {
      reml <- by_reml(fit)
      adjusted <- pbkrtest::vcovAdj(reml)
      unit <- diag(length(fixef(reml)))
      apply(unit, 1, function(l) pbkrtest::ddf_Lb(adjusted, l, vcov(reml)))
    }
  }
}

task <- function(name, count) {
  if (name %in% c("satterthwaite", "kenward_roger")) by_reml(last)
  gc(FALSE)
  start <- now()
  began <- spent()
  for (i in seq_len(count)) tasks[[name]](last)
  reply(seconds = (now() - start) / count, cpu = (spent() - began) / count)
}

reply(
  version = as.character(packageVersion("lme4")),
  memory = memory(),
  tasks = paste(names(tasks), collapse = ","),
  platform = sprintf(
    "R %s with %s; nloptwrap, ftol_abs %g, xtol_abs %g", getRversion(),
    basename(extSoftVersion()[["BLAS"]]), defaults$ftol_abs, defaults$xtol_abs
  )
)
input <- file("stdin", "r")
while (length(line <- readLines(input, 1L))) {
  words <- strsplit(line, " ")[[1]]
  count <- as.integer(words[2])
  tryCatch(
    switch(words[1],
      total = total(count),
      fit = optimisation(count),
      memory = reply(memory = memory()),
      leverage = task("leverage", count),
      influence = task("influence", count),
      profile = task("profile", count),
      bootstrap = task("bootstrap", count),
      satterthwaite = task("satterthwaite", count),
      kenward_roger = task("kenward_roger", count),
      reply(error = paste("a worker does not know", words[1]))
    ),
    error = function(e) reply(error = conditionMessage(e))
  )
}
