# lme4 by maximum likelihood without derivatives at the optimum, its fastest setting; nloptwrap's
# tolerances are its defaults. Speaks with the runner as session.py does.
# Arguments: formula, CSV file, names of the factors separated by commas,
# the factor whose means are asked for.

own <- sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE))
# R writes spaces of a path as "~+~".
source(file.path(dirname(gsub("~+~", " ", own, fixed = TRUE)), "session.R"))

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
  v <- as.data.frame(VarCorr(fit))
  v <- v[is.na(v$var2), ]
  name <- ifelse(v$grp == "Residual", "sigma", paste0("sd_", v$var1, "|", v$grp))
  c(fixef(fit), setNames(v$sdcor, name))
}

by_coefficient <- function(names, error, df) {
  c(setNames(error, paste(names, "std_error")), setNames(df, paste(names, "df")))
}

need <- function(package) {
  if (!requireNamespace(package, quietly = TRUE)) stop("R has no package ", package)
}

# What can be asked of a fit, and the numbers found, by the labels that ours.py has too.
tasks <- list(
  wald = list(
    do = function(fit) list(
      error = sqrt(diag(as.matrix(vcov(fit)))),
      ends = confint(fit, parm = "beta_", method = "Wald")
    ),
    tell = function(fit, found) c(
      setNames(found$error, paste(names(fixef(fit)), "std_error")),
      setNames(found$ends[, 1], paste(rownames(found$ends), "lower")),
      setNames(found$ends[, 2], paste(rownames(found$ends), "upper"))
    )
  ),
  modes = list(
    do = function(fit) ranef(fit, condVar = FALSE),
    tell = function(fit, found) unlist(lapply(names(found), function(group) {
      modes <- as.matrix(found[[group]])
      label <- paste(group, colnames(modes))
      c(
        setNames(sqrt(colMeans(modes^2)), paste(label, "rms")),
        setNames(apply(modes, 2, max), paste(label, "largest"))
      )
    }))
  ),
  leverage = list(
    do = function(fit) hatvalues(fit),
    tell = function(fit, found) c(sum = sum(found), largest = max(found))
  ),
  influence = list(
    do = function(fit) dfbetas(influence(fit)),
    tell = function(fit, found) c(
      setNames(apply(abs(found), 2, max), paste(colnames(found), "largest")),
      setNames(sqrt(colMeans(found^2)), paste(colnames(found), "rms"))
    )
  ),
  profile = list(
    do = function(fit) {
      suppressWarnings(confint(fit, method = "profile", quiet = TRUE, oldNames = FALSE))
    },
    tell = function(fit, found) c(
      setNames(found[, 1], paste(rownames(found), "lower")),
      setNames(found[, 2], paste(rownames(found), "upper"))
    )
  ),
  bootstrap = list(
    do = function(fit) bootMer(fit, estimates, nsim = 100),
    tell = function(fit, found) colMeans(found$t)
  ),
  predict = list(
    do = function(fit) predict(fit, newdata = d),
    tell = function(fit, found) c(
      mean = mean(found), smallest = min(found), largest = max(found),
      first = found[[1]], last = found[[length(found)]]
    )
  ),
  satterthwaite = list(
    reml = TRUE,
    do = function(fit) {
      need("lmerTest")
      coef(summary(lmerTest::as_lmerModLmerTest(fit)))
    },
    tell = function(fit, found) {
      by_coefficient(rownames(found), found[, "Std. Error"], found[, "df"])
    }
  ),
  # As lmerTest's summary, which adjusts the same covariance anew for every coefficient.
  `kenward-roger` = list(
    reml = TRUE,
    do = function(fit) {
      need("pbkrtest")
      adjusted <- pbkrtest::vcovAdj(fit)
      unit <- diag(length(fixef(fit)))
      df <- apply(unit, 1, function(l) pbkrtest::Lb_ddf(l, vcov(fit), adjusted))
      list(error = sqrt(diag(as.matrix(adjusted))), df = df)
    },
    tell = function(fit, found) by_coefficient(names(fixef(fit)), found$error, found$df)
  ),
  means = list(
    reml = TRUE,
    do = function(fit) {
      need("emmeans")
      as.data.frame(emmeans::emmeans(fit, arguments[4], lmer.df = "satterthwaite"))
    },
    tell = function(fit, found) {
      level <- as.character(found[[1]])
      c(setNames(found$emmean, paste(level, "mean")), by_coefficient(level, found$SE, found$df))
    }
  )
)

task <- function(name, count) {
  this <- tasks[[name]]
  fit <- if (isTRUE(this$reml)) lmer(f, d, REML = TRUE, control = control) else last
  gc(FALSE)
  start <- now()
  began <- spent()
  for (i in seq_len(count)) found <- this$do(fit)
  seconds <- (now() - start) / count
  cpu <- (spent() - began) / count
  reply(seconds = seconds, cpu = cpu, numbers = this$tell(fit, found))
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
      if (words[1] %in% names(tasks)) {
        task(words[1], count)
      } else {
        reply(error = paste("a worker does not know", words[1]))
      }
    ),
    error = function(e) reply(error = conditionMessage(e))
  )
}
