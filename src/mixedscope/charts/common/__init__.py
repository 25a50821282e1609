"""What charts share: theme, legends, panels, rendering."""
