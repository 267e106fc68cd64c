"""What stands between the controller and any instrument: values, errors, Protocols, and the suite that proves them."""
